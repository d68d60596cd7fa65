"""The dashboards for Apache Superset, and the bundle that brings them there."""
