-- KEYS record of the file, its owners · ARGV owner
-- Returns the file's name if it has no other owner, and is to be removed; '' otherwise.
return let_go(KEYS[1], KEYS[2], ARGV[1]) or ''
