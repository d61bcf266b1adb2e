"""Tests that a model must pass before its forecasts are worth reading."""
