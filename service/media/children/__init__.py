"""Processes that touch a foreign file: the parent's end (`guard`), the child's (`child_main`), and the children."""
