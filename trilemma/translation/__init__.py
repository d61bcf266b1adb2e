"""From a model file to an engine-neutral model: reading, names, order, parameters, expressions."""
