"""Write the JSON Schema of a record from the types that are written and read: python -m tests.record_schema."""

import json
from pathlib import Path

from pydantic import TypeAdapter

from orchestrator.records import SCHEMA, Record

SCHEMA_FILE = Path(__file__).parents[1] / "orchestrator" / "schemas" / "record.json"


def make_schema() -> dict[str, object]:
    """Return the schema of what `orch` reads; a field with a default may be missing, but what it is has to be said."""
    made = TypeAdapter(Record).json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA,
        **made,
        "required": [*made["required"], "schema"],
    }


if __name__ == "__main__":
    SCHEMA_FILE.write_text(json.dumps(make_schema(), indent=1) + "\n", encoding="utf-8")
