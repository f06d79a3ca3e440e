"""Records on the topics: events in; alerts, scores, dead letters and answers out."""
