"""The first newsletter, from sign-up to unsubscribe, done for somebody who has just cloned the project."""
