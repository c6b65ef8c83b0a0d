"""What all of the REST API shares: pagination, permission, errors, and how to get a token."""
