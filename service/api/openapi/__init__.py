"""The OpenAPI document: what FastAPI can't read from the code, in a form that client generators understand."""
