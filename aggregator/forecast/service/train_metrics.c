// SPDX-License-Identifier: Apache-2.0
#include "aggregator/forecast/service/train.h"

#define CLUSTERS(family, type, help, expression)                                                   \
	do {                                                                                       \
		prom_family(p, family, type, help);                                                \
		for (size_t i = 0; train_status(t, i, &s); i++)                                    \
			prom_sample(p, PROM_LABELS({"cluster", s.cluster}), expression);           \
	} while (0)

static void clusters(const struct train *t, struct prom *p)
{
	struct train_status s;
	CLUSTERS("petrel_lstm_version", "gauge",
		"Trained weights of the LSTM that serve; 0: the pre-trained ones.", s.version);
	CLUSTERS("petrel_lstm_trainings_total", "counter", "Trainings that came to an end.",
		(double)s.trainings);
	CLUSTERS("petrel_lstm_trainings_won_total", "counter",
		"Trainings whose weights were better than those that served.", (double)s.won);
	CLUSTERS("petrel_lstm_training_progress_ratio", "gauge", "Of the training under way.",
		s.stage == TRAIN_TRAINING ? s.progress : 0);
	prom_family(p, "petrel_lstm_validation_loss_ratio", "gauge",
		"Loss on the newest data over that of naive rules, at the last training.");
	for (size_t i = 0; train_status(t, i, &s); i++) {
		const struct tune_result *r = s.last.copies > 0 ? &s.last : &s.record.result;
		if (r->copies == 0)
			continue;
		prom_sample(p, PROM_LABELS({"cluster", s.cluster}, {"weights", "served"}),
			r->loss_before);
		prom_sample(p, PROM_LABELS({"cluster", s.cluster}, {"weights", "trained"}),
			r->loss_after);
	}
}

void train_metrics(const struct train *t, const struct train_share *share, struct prom *p)
{
	struct train_stats all;
	train_stats(t, &all);
	clusters(t, p);
	prom_single(p, "petrel_lstm_training_seconds_total", "counter",
		"CPU time spent training the LSTM.", (double)all.cpu_us / 1e6);
	prom_single(p, "petrel_lstm_training_steps_total", "counter", "Steps of the optimiser.",
		(double)all.steps);
	prom_single(p, "petrel_lstm_training_slices_total", "counter", "Work items on the pool.",
		(double)all.slices);
	prom_single(p, "petrel_lstm_training_failures_total", "counter", "Trainings that failed.",
		(double)all.failed);
	prom_single(p, "petrel_lstm_training_bytes", "gauge", "Series copied for a training.",
		(double)all.bytes);
	prom_single(p, "petrel_lstm_weights_refused_total", "counter",
		"Documents of weights that could not be read.", (double)all.refused);
	prom_family(p, "petrel_lstm_outlooks", "gauge",
		"Forecasts that the LSTM was tried for, has weight in, was the best member of.");
	prom_sample(p, PROM_LABELS({"part", "tried"}), (double)share->outlooks);
	prom_sample(p, PROM_LABELS({"part", "weight"}), (double)share->weight);
	prom_sample(p, PROM_LABELS({"part", "best"}), (double)share->wins);
}
