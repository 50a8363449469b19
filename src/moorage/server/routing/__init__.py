"""Step 5: states, sessions and grants become the route table that gateways live by."""
