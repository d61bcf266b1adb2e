"""Evidence and how a model is held against it. Beside forecasting: neither knows the other."""
