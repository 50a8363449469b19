"""Users, and what proves who somebody is: API tokens, sign-in links, sessions, hand-over codes,
replicas' tickets. All secrets as fingerprints."""
