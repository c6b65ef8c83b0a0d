"""How staff get in: sign-in with a second factor, sessions, API tokens, and the headers of their pages."""
