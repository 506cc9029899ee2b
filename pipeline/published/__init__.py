"""Networks as others publish them: pickles of modules and safetensors, read without running any code of theirs."""
