// SPDX-License-Identifier: Apache-2.0
#include "proto/base/why.h"

#include <stdarg.h>
#include <stdio.h>

int why_set(struct why *why, int code, enum why_class class, const char *format, ...)
{
	if (!why)
		return code;
	why->class = class;
	why->code = code;
	va_list args;
	va_start(args, format);
	vsnprintf(why->text, sizeof(why->text), format, args);
	va_end(args);
	return code;
}

const char *why_class_name(enum why_class class)
{
	static const char *const names[] = {
		[WHY_NONE] = "none",
		[WHY_RETRY] = "retry",
		[WHY_THROTTLED] = "throttled",
		[WHY_DENIED] = "denied",
		[WHY_GONE] = "gone",
		[WHY_BUG] = "bug",
	};
	return (unsigned)class < sizeof(names) / sizeof(names[0]) ? names[class] : "unknown";
}
