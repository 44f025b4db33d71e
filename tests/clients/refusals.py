"""What every refusal of nova has to look like."""

# decisions.md 2.21
FAILED, USAGE, NOT_REACHABLE, CREDENTIALS, NOT_FOUND, CONFLICT = 1, 2, 3, 4, 5, 6
PRECONDITION, STORE_DAMAGED, TIMEOUT, ROLLED_BACK = 7, 8, 9, 10

TRACES = ("terminate called", "what():", "AddressSanitizer", "runtime error:", "Assertion",
          "Segmentation", "core dumped", "std::", "boost::", "asio.")
ALLOWED = ("must be", " is not a ")


def refused(done, code, *names):
    """Asserts exit code, one sentence with every name in it, no trace; returns the remedy."""
    codes = code if isinstance(code, tuple) else (code,)
    assert done.returncode in codes, (
        f"exit code {done.returncode}, not {codes}\n{done.stdout}\n{done.stderr}")
    for trace in TRACES:
        assert trace not in done.stderr, done.stderr
    lines = done.stderr.splitlines()
    said = [number for number, line in enumerate(lines) if line.startswith("nova: ")]
    assert len(said) == 1, f"one sentence expected:\n{done.stderr}"
    sentence = lines[said[0]].removeprefix("nova: ")
    assert sentence.endswith((".", "!", "?")), sentence
    for name in names:
        assert str(name) in sentence, f"{name} is not named in: {sentence}"
    rest = lines[said[0] + 1:]
    if rest and rest[0].startswith("      ") and rest[0].strip():
        return rest[0].strip()
    # Of a wrong value the sentence itself may say what a right one is.
    told = done.returncode == USAGE and any(word in sentence for word in ALLOWED)
    assert told, f"a remedy is missing:\n{done.stderr}"
    return ""
