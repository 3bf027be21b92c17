"""Baselines for IPDT: DeepSORT, and the method implemented literally, as in the papers' code."""
