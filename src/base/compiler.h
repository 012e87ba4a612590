/*
 * compiler: the attributes that the headers use, named once.
 */
#ifndef TAPEDECK_BASE_COMPILER_H
#define TAPEDECK_BASE_COMPILER_H

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(text, first) __attribute__((__format__(__printf__, text, first)))

#endif
