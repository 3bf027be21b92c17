"""The model repository: graphs, manifest, cards, configurations."""
