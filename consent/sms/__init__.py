"""Text messages: the gateway, the numbers written to, what a text costs, what people answer."""
