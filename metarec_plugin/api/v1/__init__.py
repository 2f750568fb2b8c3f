"""Version 1 of the REST API. What it promises is in tests/api/schema_v1.yml; a change that breaks it is version 2."""
