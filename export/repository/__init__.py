"""The model repository: graphs, manifest, model cards, configurations."""
