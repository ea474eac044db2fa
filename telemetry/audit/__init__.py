"""Who did what to what, when: files that show whether anybody has changed them since."""
