"""The commands about breakers: what traffic does, why, until when; and turning it off and on."""
