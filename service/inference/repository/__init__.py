"""The model repository: its manifest, its verification, and removing a release."""
