// SPDX-License-Identifier: Apache-2.0
	.section .rodata
	.global sim_load_csv, sim_load_csv_end
sim_load_csv:
	.incbin "aggregator/sim/load.csv"
sim_load_csv_end:
	.byte 0
	.section .note.GNU-stack,"",%progbits
