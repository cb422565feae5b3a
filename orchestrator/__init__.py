"""Compare deep-learning framework versions by running the same workload in each of them."""

__version__ = "0.1.0"
