"""The documentation site: pages brought in from the repository, and reference pages made from the code."""
