# Writes OUT, a C file that holds every migration of IN (a list of .sql files, in the order of their
# numbers) as a string. Bytes are written as numbers: SQL text then needs no escaping and has no
# length limit of a string literal.
list(SORT IN)
set(arrays "")
set(rows "")
foreach(file IN LISTS IN)
	get_filename_component(name ${file} NAME_WE)
	file(READ ${file} hex HEX)
	string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
	string(APPEND arrays "static const char sql_${name}[] = { ${bytes} 0 };\n")
	string(APPEND rows "\tsql_${name},\n")
endforeach()
list(LENGTH IN count)
file(WRITE ${OUT} "/* Generated from schema/sqlite by tools/embed.cmake. */\n"
	"#include \"store/migrate.h\"\n\n${arrays}\n"
	"const char *const migrations[] = {\n${rows}};\nconst int migrations_count = ${count};\n")
