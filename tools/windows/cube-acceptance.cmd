@echo off
rem cube-acceptance from this folder, with the Python in it; nothing is installed.
"%~dp0python\python.exe" -m cube_acceptance %*
exit /b %errorlevel%
