"""Attacks on what stands in public: what a hostile visitor or a bad disk would do."""
