"""The helper process imports this last: from here on its memory is what forked workers share."""

import gc

gc.collect()
gc.freeze()  # or the first collection in a worker writes to every object, and so copies the page that it lies on
