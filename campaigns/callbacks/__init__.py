"""The door of providers: they tell what became of mails. It knows nobody but the holder of a transport's secret."""
