"""Runs models in batches: from the engine-neutral model to pure JAX functions, and to labelled results."""
