-- KEYS record of the file, its owners · ARGV owner
-- Answer: the file's name if nobody else owns it, which is then nobody's; '' otherwise.
return let_go(KEYS[1], KEYS[2], ARGV[1]) or ''
