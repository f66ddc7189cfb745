"""The Grafana dashboard and the alert rules, made of the instruments that the code has."""
