/* SPDX-License-Identifier: Apache-2.0 */
/* Written by build.mjs: the dashboard's files, gzip, as read-only data. The hashes make this file change, and so be
   assembled again, when a file behind an unchanged name does. */
	.section .rodata
	.global web_data_0
	.balign 16
web_data_0: /* e0a9b4e3320e658e70975ea79389b3ff */
	.incbin "aggregator/show/web/built/index.html.gz"
	.global web_data_1
	.balign 16
web_data_1: /* f266d9f3acb1f35516833643ef8c8d00 */
	.incbin "aggregator/show/web/built/app-e36b851976.css.gz"
	.global web_data_2
	.balign 16
web_data_2: /* b4b3bf312d79f2467bdc28f22a4b3816 */
	.incbin "aggregator/show/web/built/app-4cb6faaf24.js.gz"
	.global web_data_3
	.balign 16
web_data_3: /* 12a103b6f792a6288ef22716aa35521a */
	.incbin "aggregator/show/web/built/icon-843c802bf9.svg.gz"
	.global web_data_4
	.balign 16
web_data_4: /* cc8c79f9cad71af6de9a043da16689ab */
	.incbin "aggregator/show/web/built/licenses-4c5aa31b62.txt.gz"
	.global web_data_5
	.balign 16
web_data_5: /* 2f844fef8e4a7320c3f12f4a2e747ff9 */
	.incbin "aggregator/show/web/built/theme-6e1d512f62.js.gz"
	.section .note.GNU-stack,"",%progbits
