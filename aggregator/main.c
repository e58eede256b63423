// SPDX-License-Identifier: Apache-2.0
// petrel-aggregator: settings, signals, the loop; everything else is line.c.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "aggregator/config.h"
#include "aggregator/line.h"
#include "proto/base/events.h"
#include "proto/base/files.h"
#include "proto/base/log.h"

enum { EXIT_USAGE = 2 };

struct program {
	uv_signal_t signals[3]; // SIGTERM, SIGINT, SIGHUP
	struct line *line;
	bool stopping;
};

static void on_line_stopped(void *arg)
{
	struct program *p = arg;
	for (int i = 0; i < 3; i++)
		uv_close((uv_handle_t *)&p->signals[i], NULL);
}

static void stop(struct program *p)
{
	if (p->stopping)
		return;
	p->stopping = true;
	line_stop(p->line, on_line_stopped, p);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct program *p = handle->data;
	if (number == SIGHUP) {
		line_reload(p->line);
		return;
	}
	log_event(LOG_INFO, EV_STOP, "stopping", LOG_NUM("signal", number));
	stop(p);
}

static int run(const struct aggregator_config *config)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
	uv_loop_t loop;
	struct program p = {0};
	struct why why;
	int status = EXIT_SUCCESS;
	files_raise(); // an agent or a browser each needs one
	uv_loop_init(&loop);
	for (int i = 0; i < 3; i++) {
		uv_signal_init(&loop, &p.signals[i]);
		p.signals[i].data = &p;
		uv_signal_start(&p.signals[i], on_signal, numbers[i]);
	}
	log_event(LOG_INFO, EV_START, "starting", LOG_TEXT("version", PETREL_VERSION),
		LOG_TEXT("name", config->name));
	if (line_start(&p.line, &loop, config, &why) < 0) {
		log_event(LOG_ERROR, EV_START_FAILED, why.text);
		status = EXIT_FAILURE;
		if (!p.line)
			return status;
		stop(&p);
	}
	uv_run(&loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&loop) != 0)
		abort(); // a handle was left open: a leak
	return status;
}

int main(int argc, char **argv)
{
	struct aggregator_config values = {0};
	struct config config;
	struct why why;
	autobuf out;
	signal(SIGPIPE, SIG_IGN);
	buf_init(&out, 1 << 20);
	int r = config_init(&config, &aggregator_config_table, &values);
	if (r == 0)
		r = config_args(&config, argc, argv, &out, &why);
	if (r < 0) {
		fprintf(stderr, "petrel-aggregator: %s\n", why.text);
		config_done(&config);
		return EXIT_USAGE;
	}
	int status = EXIT_SUCCESS;
	if (r == CONFIG_EXIT) {
		fwrite(out.data, 1, out.len, stdout);
	} else {
		log_init(STDERR_FILENO, (enum log_format)values.log_format,
			(enum log_level)values.log_level);
		status = run(&values);
	}
	config_done(&config);
	return status;
}
