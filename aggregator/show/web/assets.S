/* SPDX-License-Identifier: Apache-2.0 */
/* Written by build.mjs: the dashboard's files, gzip, as read-only data. The hashes make this file change, and so be
   assembled again, when a file behind an unchanged name does. */
	.section .rodata
	.global web_data_0
	.balign 16
web_data_0: /* 39b25f94045aeb2f666905bdbcd555b1 */
	.incbin "aggregator/show/web/built/index.html.gz"
	.global web_data_1
	.balign 16
web_data_1: /* b84625b35e82db18450328d0313a0b18 */
	.incbin "aggregator/show/web/built/app-0588cda63d.css.gz"
	.global web_data_2
	.balign 16
web_data_2: /* 2988a2c35a35440f21a102f28f836f24 */
	.incbin "aggregator/show/web/built/app-77f0bdb8c6.js.gz"
	.global web_data_3
	.balign 16
web_data_3: /* 5f0be52f55b61f30ec24d7ecdd575842 */
	.incbin "aggregator/show/web/built/icon-843c802bf9.svg.gz"
	.global web_data_4
	.balign 16
web_data_4: /* e8634043debc7fa1611f79892c7a1a22 */
	.incbin "aggregator/show/web/built/licenses-4c5aa31b62.txt.gz"
	.global web_data_5
	.balign 16
web_data_5: /* 3258bd2fa70bc3c051af28c0ea6bb1b9 */
	.incbin "aggregator/show/web/built/theme-ff14caab82.js.gz"
	.section .note.GNU-stack,"",%progbits
