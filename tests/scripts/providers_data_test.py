"""data/providers.json against its schema, and the page that shows it."""
import json
import pathlib

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = json.loads((ROOT / "data" / "providers.json").read_text())
PAGE = (ROOT / "docs" / "providers.md").read_text()


def test_it_keeps_to_its_schema():
    schema = json.loads((ROOT / "api" / "schemas" / "providers.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(DATA)


def test_the_page_has_a_line_for_each_with_what_the_data_says():
    lines = {line.split("|")[1].strip(" `"): line for line in PAGE.splitlines()
             if line.startswith("| `")}
    assert set(lines) == {row["id"] for row in DATA["providers"]}
    for row in DATA["providers"]:
        line = lines[row["id"]]
        said = [row["title"], row["base_url"], row.get("key_variable", ""),
                row.get("default_model", ""), row.get("auth", {}).get("header", "Authorization"),
                row.get("dialect", "openai"), *row.get("notes", [])]
        for text in said:
            assert text in line, f"{row['id']}: {text}"
        assert ("embeddings" in line.split("|")[8]) == row.get("embeddings", True)
        assert ("responses" in line.split("|")[8]) == row.get("responses", False)


def test_the_page_says_that_nobody_was_called():
    assert "Shape from documentation, never called" in PAGE
