"""Everything that reads run folders: statistics, verdicts, figures, reports. Training code never imports it."""
