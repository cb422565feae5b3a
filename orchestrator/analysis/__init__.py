"""From records to comparison tables; nothing here talks to an engine."""
