// SPDX-License-Identifier: Apache-2.0
// petrel-agent: command line and configuration; the rest is agent/agent.c.
#include "agent/agent.h"
#include "agent/config.h"
#include "agent/self/trim.h"
#include "proto/base/events.h"
#include "proto/base/log.h"

#include <stdio.h>
#include <unistd.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };
enum { MAX_PAGE_BYTES = 256 << 10 };

static int refuse(const struct why *why)
{
	fprintf(stderr, "petrel-agent: %s\n", why->text);
	return EXIT_USAGE;
}

static int run(const struct agent_config *config)
{
	struct why why = {0};
	log_init(STDERR_FILENO, (enum log_format)config->log_format,
		(enum log_level)config->log_level);
	int r = agent_run(config, &why);
	if (r < 0)
		log_event(LOG_ERROR, EV_START_FAILED, why.text, LOG_NUM("error", r));
	return r < 0 ? EXIT_FAILED : EXIT_OK;
}

int main(int argc, char **argv)
{
	struct agent_config values = {0};
	struct config config;
	struct why why = {0};
	autobuf page;
	trim_settings();
	buf_init(&page, MAX_PAGE_BYTES);
	if (config_init(&config, &agent_config_table, &values) < 0)
		return EXIT_FAILED;
	int next = config_args(&config, argc, argv, &page, &why);
	int r = next < 0 ? next : agent_config_check(&values, &why);
	int status;
	if (next == CONFIG_EXIT && r == 0)
		status = fwrite(page.data, 1, page.len, stdout) == page.len ? EXIT_OK : EXIT_FAILED;
	else if (r < 0)
		status = refuse(&why);
	else
		status = run(&values);
	config_done(&config);
	return status;
}
