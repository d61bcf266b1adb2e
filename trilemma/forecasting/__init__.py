"""Forecasts: what is asked (TOML), on which draws, run and stored, compared."""
