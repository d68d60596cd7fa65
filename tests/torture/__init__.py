"""The torture of the commit protocol: writers are killed at every step while readers check."""
