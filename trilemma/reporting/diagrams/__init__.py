"""Pictures of a model's structure: stocks and flows by view, feedback loops, and the sketch inside a Vensim file."""
