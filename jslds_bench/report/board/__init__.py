"""The leaderboard of several runs."""
