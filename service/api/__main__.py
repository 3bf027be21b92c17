"""`python -m service.api [DESCRIPTOR …]`: the API under uvicorn."""

import sys

from service.processes.first import end_at_sigterm

if __name__ == "__main__":
    end_at_sigterm()
    # after that: its libraries take seconds to import
    from service.api.main import main

    main(sys.argv[1:])
