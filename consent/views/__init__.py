"""The pages for people outside, one module per noun."""
