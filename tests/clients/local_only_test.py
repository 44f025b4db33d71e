"""Under local-only nothing leaves, whatever is configured and whatever fails; a sink looks."""
import json
import pathlib
import subprocess
import sys

WORLD = pathlib.Path(__file__).parent / "local_only_world.py"


def world(mode, folder):
    """What a nova in that mode did in a network where every address is seen."""
    done = subprocess.run(["unshare", "--net", sys.executable, WORLD, mode, folder],
                          capture_output=True, text=True, timeout=540, check=False)
    assert "unshare failed" not in done.stderr, (
        "This test needs a network namespace of its own: run it as root, or where unprivileged "
        f"ones are allowed. {done.stderr}")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_local_only_makes_no_attempt_on_any_route_in_any_condition(tmp_path):
    seen = world("local-only", tmp_path / "data")
    assert seen["configured"] >= 12, "keys and clouds have to be there to be tempting"
    assert seen["answers"]["test near"] == 409
    assert seen["answers"]["missed"] == 404, "a look on this machine, and no more"
    assert seen["answers"]["counted"] == 200
    assert seen["lists_asked"] == 0
    assert seen["attempts"] == []
    assert seen["served_by_the_cloud"] == []


def test_hybrid_makes_attempts_so_the_sink_sees_them(tmp_path):
    seen = world("hybrid", tmp_path / "data")
    assert any(attempt.startswith("10.77.0.10 ") for attempt in seen["attempts"]), seen["attempts"]
    assert any(attempt.endswith(" port 53") for attempt in seen["attempts"]), "names to resolve"
    assert any(path.endswith("/chat/completions") for path in seen["served_by_the_cloud"])
    assert any(path.endswith("/count_tokens") for path in seen["served_by_the_cloud"])
    assert seen["lists_asked"] > 2, "when configured, and again for what was missed"


def test_a_key_that_never_leaves_is_served_by_no_cloud_in_any_condition(tmp_path):
    seen = world("never-cloud", tmp_path / "data")
    assert seen["answers"]["/v1/chat/completions cloud-1"] in (403, 404), seen["answers"]
    assert seen["answers"]["/v1/messages/count_tokens cloud-1"] in (403, 404), seen["answers"]
    assert seen["served_by_the_cloud"] == []
