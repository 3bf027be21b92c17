"""Child processes for untrusted files: the parent's side (`guard`), the child's (`child_main`), and the tasks."""
