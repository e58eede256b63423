/* SPDX-License-Identifier: Apache-2.0 */
/* Weights of the LSTM member as train-lstm wrote them (lstm_train.h tells the format). */
	.section .rodata
	.global lstm_weights, lstm_weights_end
	.balign 16
lstm_weights:
	.incbin "aggregator/forecast/model/lstm_weights.bin"
lstm_weights_end:
	.section .note.GNU-stack,"",%progbits
